data_dir = "d"
lake {
  s3 {
    bucket     = "history"
    region     = "eu-central-1"
    secret_key = "s3cr3t"
  }
}
