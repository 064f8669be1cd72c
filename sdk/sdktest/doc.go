// Package sdktest checks that a plugin keeps to the contract: in a test of its author's, and behind
// `regent plugin probe`. The plugin runs as the daemon would run it, as a process of its own, whatever
// language it is written in.
//
//	func TestConformance(t *testing.T) {
//		for _, c := range sdktest.Check(t.Context(), "./collector-folder", sdktest.Options{Config: []byte(`{"root":"/tmp"}`)}) {
//			if !c.OK {
//				t.Errorf("%s: %s", c.Name, c.Detail)
//			}
//		}
//	}
package sdktest
