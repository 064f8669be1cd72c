data_dir = env("X")
