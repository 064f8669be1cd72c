// Package rerun makes a recorded verdict again from what it pins, and says whether it comes out the same.
//
// A verdict names its policy, its parameters, its item, the item before and everything else that it read
// by digest. Keep puts the texts of policies and parameters into the store when a generation comes into
// force; items are found again among the versions. What was looked up and found absent is absent again,
// whatever is there today. The policy is compiled anew from its text, so the answer does not depend on
// what is loaded.
//
// What retention has removed is reported and not guessed at. The package changes nothing but what Keep
// keeps.
package rerun
