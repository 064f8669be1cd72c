package policy

import (
	"sync"

	"github.com/regent-dev/regent/core/policy/internal/shape"
	"github.com/regent-dev/regent/core/record"
)

// Cache keeps what does not depend on the rest of a generation from one Compile to the next: parsed
// files and schemas. It forgets what the last two generations did not use. It is safe for concurrent
// use, and so is the nil *Cache, which keeps nothing.
type Cache struct {
	mu         sync.Mutex
	generation uint64
	sources    map[record.Digest]*cached[*source]
	shapes     map[record.Digest]*cached[shape.View]
	parameters map[record.Digest]*cached[*parameterSchema]
}

type cached[T any] struct {
	value T
	used  uint64
}

// NewCache returns an empty Cache.
func NewCache() *Cache {
	return &Cache{
		sources:    map[record.Digest]*cached[*source]{},
		shapes:     map[record.Digest]*cached[shape.View]{},
		parameters: map[record.Digest]*cached[*parameterSchema]{},
	}
}

// begin opens a generation.
func (c *Cache) begin() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	forget(c.sources, c.generation)
	forget(c.shapes, c.generation)
	forget(c.parameters, c.generation)
}

func forget[T any](m map[record.Digest]*cached[T], generation uint64) {
	for k, v := range m {
		if v.used+2 < generation {
			delete(m, k)
		}
	}
}

func lookup[T any](c *Cache, m map[record.Digest]*cached[T], key record.Digest) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := m[key]
	if !ok {
		var zero T
		return zero, false
	}
	e.used = c.generation
	return e.value, true
}

func put[T any](c *Cache, m map[record.Digest]*cached[T], key record.Digest, value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m[key] = &cached[T]{value: value, used: c.generation}
}

func (c *Cache) source(key record.Digest) *source {
	if c == nil {
		return nil
	}
	s, _ := lookup(c, c.sources, key)
	return s
}

func (c *Cache) putSource(key record.Digest, s *source) {
	if c != nil {
		put(c, c.sources, key, s)
	}
}

func (c *Cache) shape(key record.Digest) (shape.View, bool) {
	if c == nil {
		return nil, false
	}
	return lookup(c, c.shapes, key)
}

func (c *Cache) putShape(key record.Digest, v shape.View) {
	if c != nil {
		put(c, c.shapes, key, v)
	}
}

func (c *Cache) parameterSchema(key record.Digest) *parameterSchema {
	if c == nil {
		return nil
	}
	s, _ := lookup(c, c.parameters, key)
	return s
}

func (c *Cache) putParameterSchema(key record.Digest, s *parameterSchema) {
	if c != nil {
		put(c, c.parameters, key, s)
	}
}
