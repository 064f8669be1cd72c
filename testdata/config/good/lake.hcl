data_dir = "/var/lib/regent"

lake {
  drain_every = "1m"
  cache_size  = "10GiB"
  s3 {
    endpoint   = "https://minio.example.com:9000"
    bucket     = "history"
    prefix     = "regent/prod"
    access_key = var.lake_access_key
    secret_key = var.lake_secret_key
  }
}

variable "lake_access_key" {
  type      = string
  sensitive = true
}

variable "lake_secret_key" {
  type      = string
  sensitive = true
}

retention {
  events   = "365d"
  versions = "forever"
  findings = "1095d"
}
