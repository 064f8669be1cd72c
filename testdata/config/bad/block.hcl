data_dir = "d"
colector "host" "x" {
}
