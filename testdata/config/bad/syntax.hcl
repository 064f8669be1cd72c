data_dir = "d
route "x" {
