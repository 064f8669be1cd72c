data_dir = "d"
snapshot "daily" {
  every  = "sometimes"
  to     = "a"
  notify = [notifier.file.x]
  s3 {
    bucket     = "archive"
    region     = "eu-west-1"
    access_key = "k"
  }
}
snapshot "nowhere" {
  types = ["AWS::[*"]
}
trail "all" {
  to     = "a"
  prefix = "../x"
  match {
    outcome = ["sucess"]
  }
  retain = "1d"
}
trail "climbing" {
  to     = "a"
  prefix = "../x"
  match {
    outcome = ["sucess"]
  }
}
snapshot "one" {
  to = "b"
}
snapshot "two" {
  to = "b"
}
