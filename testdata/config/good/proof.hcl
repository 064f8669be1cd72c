data_dir = "/var/lib/regent"

notifier "file" "anchors" {
  config {
    path = "/mnt/elsewhere/regent-anchors.json"
  }
}

proof {
  anchor = [notifier.file.anchors]
  every  = "24h"
}
