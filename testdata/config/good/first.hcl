data_dir = "/var/lib/regent"

policies {
  path    = "/etc/regent/policies"
  builtin = ["compliance.linux.*"]
}

collector "host" "this" {
  every = "1m"
  config {
    watch = ["/etc"]
  }
}

notifier "webhook" "ops" {
  config {
    url = var.ops_url
  }
}

variable "ops_url" {
  type      = string
  default   = "https://ops.example.com/regent"
  sensitive = true
}

policy "compliance.linux.ssh_root_login" {
  severity = "critical"
}

waiver "legacy-bastion" {
  policy   = "compliance.linux.ssh_root_login"
  resource = "bastion-1"
  owner    = "platform"
  reason   = "replaced in Q1"
  expires  = "2027-03-31"
}

route "urgent" {
  on = ["compliance", "alarm", "health"]
  match {
    severity = ["critical", "high"]
  }
  group_by = ["policy"]
  notify   = [notifier.webhook.ops]
}
