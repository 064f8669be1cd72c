data_dir = "d"
api {
  listener "0.0.0.0:1" {
  }
}
