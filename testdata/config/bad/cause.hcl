data_dir = "d"
cause {
  before = "2d"
}
cause {
  affter = "5m"
}
notifier "file" "f" {
}
route "late" {
  on             = ["compliance"]
  wait_for_actor = "36h"
  notify         = [notifier.file.f]
}
route "none" {
  on             = ["alarm"]
  wait_for_actor = "10m"
  notify         = [notifier.file.f]
}
route "maybe" {
  on        = ["compliance"]
  follow_up = "yes"
  notify    = [notifier.file.f]
}
