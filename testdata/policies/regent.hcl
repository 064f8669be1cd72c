data_dir = "data"

policies {
  path = "policies"
}

policy "compliance.shop.disks" {
  severity   = "critical"
  parameters = { maxSize = 1000 }
}

waiver "old-till" {
  policy   = "compliance.shop.disks"
  resource = "vol-1"
  owner    = "till"
  reason   = "replaced in Q1"
  expires  = "2027-03-31"
}
