data_dir = "/var/lib/regent"

cause {
  before = "15m"
  after  = "5m"
}

notifier "file" "ops" {
  config {
    path = "/var/log/regent/ops.ndjson"
  }
}

route "who" {
  on             = ["compliance"]
  wait_for_actor = "10m"
  follow_up      = true
  notify         = [notifier.file.ops]
}
