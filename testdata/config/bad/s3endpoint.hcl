data_dir = "d"
lake {
  s3 {
    bucket = "history"
  }
}
lake {
  s3 {
    bucket   = "history"
    endpoint = "https://minio/history"
  }
}
