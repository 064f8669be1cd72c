// Package sdktest tests plugins.
//
// VerifyCollector, VerifyNotifier and VerifyQueryEngine run the conformance suite in a test of the author's: it checks that
// a plugin keeps to the contract, once in process and once as the program that the daemon would start.
// Check runs it over a program in any language, and is what `regent plugin probe` does.
//
//	func TestConformance(t *testing.T) {
//		sdktest.VerifyCollector(t, info, open, sdktest.Options{Config: []byte(`{"root":"/tmp"}`)})
//	}
//
// NewCollector and NewNotifier are for what the suite cannot know: that the plugin says the right
// things. They put a test in the daemon's place, without a process.
//
//	c := sdktest.NewCollector(t, info, open)
//	c.Configure(map[string]any{"root": dir})
//	run := c.Collect()
//	run.Wait(2)
//	for _, it := range run.Items() { … }
//
// In process or not, a plugin is reached through the services that the SDK serves to the daemon, so
// encoding, limits and validation are the same.
package sdktest
