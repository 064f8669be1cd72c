data_dirr = "d"
