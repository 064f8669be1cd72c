variable "where" {
  type = string
}
variable "which" {
  type = list(string)
}
data_dir   = "${var.where}/data"
plugin_dir = var.where
policies {
  path    = "policies"
  builtin = var.which
}
policy "compliance.aws.encrypted_volumes" {
  parameters = { key = var.where }
}
