data_dir = "d"
policy "linux.x" {
  severity   = "hihg"
  parameters = "x"
}
