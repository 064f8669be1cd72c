data_dir = "d"
notify_max_age = "soon"
log {
  level = "loud"
}
route "x" {
  on     = ["alarms"]
  notify = [notifier.webhook.opps]
}
notifier "webhook" "ops" {
}
waiver "y" {
  policy  = "["
  owner   = "a"
  reason  = "b"
  expires = "tomorrow"
}
