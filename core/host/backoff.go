package host

import (
	"math/rand/v2"
	"time"
)

// backoff returns how long to wait after the n-th failure in a row, n from 1: anything up to
// low·2ⁿ⁻¹, at most high, so that many instances that failed together do not come back together. From
// slow on it is between half of high and high.
func backoff(n, slow int, low, high time.Duration, random func() float64) time.Duration {
	if random == nil {
		random = rand.Float64
	}
	if n >= slow {
		return high/2 + time.Duration(random()*float64(high/2))
	}
	top := low
	for i := 1; i < n && top < high; i++ {
		top *= 2
	}
	top = min(top, high)
	// A plugin that ends at once must not keep a processor busy.
	floor := low / 10
	return floor + time.Duration(random()*float64(top-floor))
}
