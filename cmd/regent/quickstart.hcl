# The configuration that `regent quickstart` runs: this machine, the policies for Linux that come with
# Regent, and a file that findings are written to. Copy it and go on from here.

variable "data_dir" {
  type = string
}

data_dir = var.data_dir

policies {
  builtin = ["compliance.linux.*"]
}

log {
  level = "warn"
}

collector "host" "this" {
  every = "1m"
  config {
    watch = ["/etc"]
  }
}
