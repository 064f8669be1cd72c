data_dir = "d"
lake {
  cache_size = "1GiB"
  s3 {
    buckets = "history"
  }
}
