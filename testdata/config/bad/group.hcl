data_dir = "d"
notifier "file" "f" {
}
route "x" {
  on       = ["alarm"]
  group_by = ["polcy"]
  notify   = [notifier.file.f]
}
