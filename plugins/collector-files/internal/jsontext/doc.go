// Package jsontext reads JSON where it stands: it checks a value once, byte by byte, and walks over
// checked values without building anything from them.
//
// The collector copies most of a record through untouched and needs a few strings of it, at tens of
// thousands of records a second; encoding/json would decode all of it first. Numbers are never
// interpreted, so that they keep their literal.
//
// Scan is the only function that takes bytes of unknown quality. All others trust that Scan has
// accepted what they are given and must not be called with anything else.
package jsontext
