data_dir = "d"
variable "x" {
  type = string
}
policies {
  builtin = [var.y]
}
