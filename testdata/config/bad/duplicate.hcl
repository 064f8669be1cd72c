data_dir = "d"
waiver "x" {
  policy  = "*"
  owner   = "a"
  reason  = "b"
  expires = "2099-01-01"
}
waiver "x" {
  policy  = "*"
  owner   = "a"
  reason  = "b"
  expires = "2099-01-01"
}
