data_dir = "d"
lake {
  path        = "../bad"
  drain_every = "2h"
  cache_size  = "big"
}
lake {
}
retention {
  events   = "3654d"
  verdicts = "long"
}
