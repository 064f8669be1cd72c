data_dir = "/var/lib/regent"
proof {
  key_file = "proof.hcl"
  previous = ["nowhere.key", "."]
  anchor   = [notifier.file.nobody]
  every    = "5m"
}
proof {
  anchor = []
  every  = "25h"
}
