package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/regent-dev/regent/core/record"
	"github.com/regent-dev/regent/core/verdict"
)

// MaxAll is how many resources of one type a policy may go over.
const MaxAll = 50_000

// store is what OPA takes for its data. It holds nothing: data.resources and data.resources_in are
// looked up when a policy asks, through the Reader of the evaluation, which travels in the
// transaction.
type store struct {
	storage.TriggersNotSupported
	storage.WritesNotSupported
	storage.PolicyNotSupported
}

// notFound is one value because most reads of OPA's are for documents that rules alone define.
var notFound = &storage.Error{Code: storage.NotFoundErr}

// readError ends an evaluation: the Reader failed, or the policy asked for what it may not have.
type readError struct{ reason string }

func (e *readError) Error() string { return e.reason }

// lookups is a transaction: the Reader of one evaluation and what it has been asked.
type lookups struct {
	policy *Policy
	from   record.Key
	reader Reader
	reads  []verdict.Read
	// made remembers answers, absences included, which OPA's own cache does not.
	made map[verdict.Read]made
}

type made struct {
	value ast.Value
	err   error
}

// ID implements storage.Transaction.
func (l *lookups) ID() uint64 { return 0 }

func (store) NewTransaction(context.Context, ...storage.TransactionParams) (storage.Transaction, error) {
	return &lookups{}, nil
}
func (store) Commit(context.Context, storage.Transaction) error { return nil }
func (store) Abort(context.Context, storage.Transaction)        {}
func (store) Truncate(context.Context, storage.Transaction, storage.TransactionParams, storage.Iterator) error {
	return errors.New("the store of policies cannot be written")
}

// Read implements storage.Store. OPA asks for exactly the ground prefix of a reference.
func (store) Read(ctx context.Context, txn storage.Transaction, path storage.Path) (any, error) {
	l, ok := txn.(*lookups)
	if !ok || len(path) == 0 {
		return nil, &readError{"the policy asks for all of data; only data.resources[type][id] and data.resources_in[account][region][type][id] are there"}
	}
	switch path[0] {
	case "resources":
		switch len(path) {
		case 1:
			return nil, &readError{"the policy goes over the resources of all types; look one up as data.resources[type][id]"}
		case 2:
			return l.result(l.all(ctx, path[1]))
		}
		v, err := l.one(ctx, verdict.Read{ResourceType: path[1], ResourceID: path[2]})
		return l.within(v, err, path[3:])
	case "resources_in":
		if len(path) < 5 {
			return l.result(l.allIn(ctx, path[1:]))
		}
		v, err := l.one(ctx, verdict.Read{AccountID: path[1], Region: path[2], ResourceType: path[3], ResourceID: path[4]})
		return l.within(v, err, path[5:])
	}
	return nil, notFound
}

func (l *lookups) result(v ast.Value, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// within goes down into a resource that was found.
func (l *lookups) within(v ast.Value, err error, path []string) (any, error) {
	for _, p := range path {
		if err != nil {
			break
		}
		var next *ast.Term
		switch x := v.(type) {
		case ast.Object:
			next = x.Get(ast.StringTerm(p))
		case *ast.Array:
			if i, e := strconv.Atoi(p); e == nil && i >= 0 && i < x.Len() {
				next = x.Elem(i)
			}
		}
		if next == nil {
			return nil, notFound
		}
		v = next.Value
	}
	return l.result(v, err)
}

// one looks up one resource and notes it. key has no Found and no Hash.
func (l *lookups) one(ctx context.Context, key verdict.Read) (ast.Value, error) {
	if m, ok := l.made[key]; ok {
		return m.value, m.err
	}
	if l.reader == nil {
		return nil, &readError{"the policy looks up other resources, and there are none to look at here"}
	}
	var f Found
	var err error
	if explicit := key.AccountID != "" || key.Region != ""; explicit {
		f, err = l.reader.Get(ctx, record.Key{AccountID: key.AccountID, Region: key.Region, ResourceType: key.ResourceType, ResourceID: key.ResourceID})
	} else {
		f, err = l.reader.Find(ctx, l.from, key.ResourceType, key.ResourceID)
	}
	switch {
	case errors.Is(err, ErrAmbiguous):
		err = &readError{fmt.Sprintf("data.resources[%q][%q] is ambiguous: several accounts or regions have it; say which with data.resources_in[account][region][type][id]", key.ResourceType, key.ResourceID)}
	case err != nil:
		err = &readError{fmt.Sprintf("look up %s %s: %v", key.ResourceType, key.ResourceID, err)}
	}
	noted := key
	m := made{err: err}
	if err == nil && f.OK && f.Value != nil {
		noted.Found, noted.Hash = true, f.Hash.String()
		m.value = f.Value.v
	} else if err == nil {
		m.err = notFound
	}
	l.reads = append(l.reads, noted)
	l.remember(key, m)
	return m.value, m.err
}

func (l *lookups) remember(key verdict.Read, m made) {
	if l.made == nil {
		l.made = map[verdict.Read]made{}
	}
	l.made[key] = m
}

// everything asks the Reader for all resources of a type and notes that.
func (l *lookups) everything(ctx context.Context, resourceType string) ([]Found, error) {
	if !slices.Contains(l.policy.ReadsAll, resourceType) {
		return nil, &readError{fmt.Sprintf("the policy goes over every %s, which its METADATA does not say: add it to custom.reads_all, or look one up by its id", resourceType)}
	}
	if l.reader == nil {
		return nil, &readError{"the policy looks up other resources, and there are none to look at here"}
	}
	found, err := l.reader.All(ctx, resourceType, MaxAll+1)
	if err != nil {
		return nil, &readError{fmt.Sprintf("list %s: %v", resourceType, err)}
	}
	if len(found) > MaxAll {
		return nil, &readError{fmt.Sprintf("there are more than %d of %s; a policy may go over at most that many", MaxAll, resourceType)}
	}
	noted := verdict.Read{ResourceType: resourceType, Found: len(found) > 0, Hash: DigestOfAll(found)}
	if !slices.Contains(l.reads, noted) {
		l.reads = append(l.reads, noted)
	}
	return found, nil
}

// DigestOfAll is what a verdict notes of all resources of a type, "" of none. It sorts them.
func DigestOfAll(found []Found) string {
	slices.SortFunc(found, func(a, b Found) int { return a.Key.Compare(b.Key) })
	if len(found) == 0 {
		return ""
	}
	h := sha256.New()
	for _, f := range found {
		fmt.Fprintf(h, "%q%q%q", f.Key.AccountID, f.Key.Region, f.Key.ResourceID)
		h.Write(f.Hash[:])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// all is the object of all resources of a type by id, resolved as look-ups of one are: where an id
// is there several times, the subject's own region wins, then its account.
func (l *lookups) all(ctx context.Context, resourceType string) (ast.Value, error) {
	key := verdict.Read{ResourceType: resourceType}
	if m, ok := l.made[key]; ok {
		return m.value, m.err
	}
	found, err := l.everything(ctx, resourceType)
	if err != nil {
		return nil, err
	}
	near := func(f Found) int {
		switch {
		case f.Key.AccountID != l.from.AccountID:
			return 0
		case f.Key.Region != l.from.Region:
			return 1
		}
		return 2
	}
	terms := make([][2]*ast.Term, 0, len(found))
	for i := 0; i < len(found); {
		j, best, rivals := i, i, 0
		for ; j < len(found) && found[j].Key.ResourceID == found[i].Key.ResourceID; j++ {
			switch d := near(found[j]) - near(found[best]); {
			case j == i:
			case d > 0:
				best, rivals = j, 0
			case d == 0:
				rivals++
			}
		}
		f := found[best]
		i = j
		if rivals > 0 {
			return nil, &readError{fmt.Sprintf("data.resources[%q] has %q several times in other accounts or regions; go over data.resources_in instead", resourceType, f.Key.ResourceID)}
		}
		if f.Value != nil {
			terms = append(terms, [2]*ast.Term{ast.StringTerm(f.Key.ResourceID), ast.NewTerm(f.Value.v)})
		}
	}
	v := ast.NewObject(terms...)
	l.remember(key, made{value: v})
	return v, nil
}

// allIn is the tree account → region → type → id below a prefix of at most three of these. Only the
// types of reads_all are in it.
func (l *lookups) allIn(ctx context.Context, prefix []string) (ast.Value, error) {
	types := l.policy.ReadsAll
	if len(prefix) == 3 {
		types = prefix[2:3]
	}
	if len(types) == 0 {
		return nil, &readError{"the policy goes over data.resources_in, which its METADATA does not say: add the types to custom.reads_all"}
	}
	root := &branch{}
	for _, t := range types {
		found, err := l.everything(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			k := f.Key
			if f.Value == nil || len(prefix) > 0 && prefix[0] != k.AccountID || len(prefix) > 1 && prefix[1] != k.Region {
				continue
			}
			at := root
			names := [...]string{k.AccountID, k.Region, k.ResourceType, k.ResourceID}
			for _, name := range names[len(prefix):] {
				at = at.child(name)
			}
			at.leaf = f.Value.v
		}
	}
	if root.children == nil {
		return nil, notFound
	}
	return root.value(), nil
}

// branch is an object on its way: OPA's objects sum the hashes of their members when these are put
// in, so they are made from the leaves up.
type branch struct {
	leaf     ast.Value
	children map[string]*branch
}

func (b *branch) child(name string) *branch {
	c := b.children[name]
	if c == nil {
		if b.children == nil {
			b.children = map[string]*branch{}
		}
		c = &branch{}
		b.children[name] = c
	}
	return c
}

func (b *branch) value() ast.Value {
	if b.leaf != nil {
		return b.leaf
	}
	terms := make([][2]*ast.Term, 0, len(b.children))
	for name, c := range b.children {
		terms = append(terms, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(c.value())})
	}
	return ast.NewObject(terms...)
}
