data_dir = "/var/lib/regent"

variable "archive_key" {
  type      = string
  default   = "not-a-real-key"
  sensitive = true
}

notifier "file" "archive" {
  config {
    path = "/var/log/regent/archive.ndjson"
  }
}

snapshot "daily" {
  every         = "24h"
  history_every = "6h"
  to            = "/srv/regent/archive"
  types         = ["AWS::*", "Linux::*"]
  notify        = [notifier.file.archive]
}

trail "management" {
  every  = "5m"
  prefix = "trails"
  match {
    source = ["aws.cloudtrail", "regent.api"]
  }
  s3 {
    endpoint   = "https://objects.example.com"
    bucket     = "archive"
    access_key = "regent"
    secret_key = var.archive_key
  }
}
