data_dir = "d"
variable "secret" {
  type      = string
  sensitive = true
  default   = "s3cr3t"
}
lake {
  path       = "history"
  cache_size = "1MiB"
  s3 {
    endpoint   = "http://minio:9000"
    bucket     = "s3://history"
    region     = var.secret
    prefix     = "/regent"
    secret_key = var.secret
    path_style = "yes"
    timeout    = "1ms"
  }
}
retention {
  events = "forever"
}
