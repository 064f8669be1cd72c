// Package config reads the operator's HCL and says what it means: a file, or a folder whose *.hcl
// files count as one.
//
// Load finds everything that is wrong at once and gives each problem its place. It starts nothing and
// reads nothing but the files, the variables it is given, and for env() and file() what the operator
// names. What only a plugin knows, the attributes of a config block, is decoded later by Bind with the
// schema that the plugin describes; a problem that the plugin itself reports is put at the operator's
// line by Place.
//
// Values marked sensitive stay marked until Bind hands them to the plugin, and are never printed. A
// Config is not changed once Bind has been called for its instances.
package config
