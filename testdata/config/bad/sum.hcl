data_dir = "d"
plugin "x" {
  path   = "/nowhere/x"
  sha256 = "abc"
}
