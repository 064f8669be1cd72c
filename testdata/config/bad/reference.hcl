data_dir = "d"
route "x" {
  on     = ["alarm"]
  notify = ["notifier.webhook.ops"]
}
