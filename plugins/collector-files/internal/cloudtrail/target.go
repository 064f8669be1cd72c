package cloudtrail

import (
	"bytes"

	"github.com/regent-dev/regent/plugins/collector-files/internal/awsname"
	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// MaxTargets bounds the targets of one event.
const MaxTargets = 100

// maxText is the length of the longest text that is looked at; ARNs are no longer.
const maxText = 2048

// targets gathers the resources that an action touched. Its memory is kept between events.
type targets struct {
	list []awsname.Resource
	call awsname.Call
	// depth counts the objects around a value, the request or response itself included.
	depth int
	// beside are the places in list of the resources that the innermost object has named: an id and a
	// name that stand side by side belong together.
	beside []int
	object int
}

func (t *targets) gather(r *record, call awsname.Call) {
	t.list, t.call, t.depth, t.beside, t.object = t.list[:0], call, 0, t.beside[:0], 0
	resources := jsontext.ElementsOf(r.resources)
	for v, ok := resources.Next(); ok; v, ok = resources.Next() {
		t.listed(v)
	}
	t.walk(r.request, nil)
	t.walk(r.response, nil)
}

// listed adds a resource that the record lists itself: {"ARN":…,"accountId":…,"type":…}.
func (t *targets) listed(v []byte) {
	var arn, account, typ []byte
	members := jsontext.MembersOf(v)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		switch string(name) {
		case "ARN", "arn":
			arn = jsontext.String(v)
		case "accountId":
			account = jsontext.String(v)
		case "type":
			typ = jsontext.String(v)
		}
	}
	var r awsname.Resource
	switch {
	case awsname.IsARN(arn):
		var ok bool
		if r, ok = awsname.FromARN(arn); !ok {
			return
		}
	case len(arn) > 0:
		r.ID = arn
	default:
		return
	}
	if r.Type == "" {
		r.Type = string(typ)
	}
	if len(r.Account) == 0 {
		r.Account = account
	}
	t.add(r)
}

// walk looks for resources in a value that stands under param.
func (t *targets) walk(v, param []byte) {
	if len(v) == 0 || len(t.list) >= MaxTargets {
		return
	}
	switch v[0] {
	case '"':
		t.value(jsontext.String(v), param)
	case '[':
		elements := jsontext.ElementsOf(v)
		for e, ok := elements.Next(); ok; e, ok = elements.Next() {
			t.walk(e, param)
		}
	case '{':
		outer := t.object
		t.object = len(t.beside)
		t.depth++
		members := jsontext.MembersOf(v)
		for name, e, ok := members.Next(); ok; name, e, ok = members.Next() {
			switch string(name) {
			case "filterSet", "filters", "filter":
				// What a listing is narrowed by is not what it touches.
				continue
			case "items", "item", "content", "member":
				// So XML looks as JSON; the name that means something is the one around it.
				if c := e[0]; c == '"' || c == '[' {
					t.walk(e, param)
					continue
				}
			}
			t.walk(e, name)
		}
		t.beside, t.object = t.beside[:t.object], outer
		t.depth--
	}
}

// value adds the resource that a text stands for, where it does.
func (t *targets) value(s, param []byte) {
	if len(s) == 0 || len(s) > maxText {
		return
	}
	if awsname.IsARN(s) {
		if r, ok := awsname.FromARN(s); ok {
			t.add(r)
		}
		return
	}
	if typ := awsname.FromID(s); typ != "" {
		t.add(awsname.Resource{Type: typ, ID: s})
		return
	}
	if string(param) == "assumedRoleId" {
		// The role's unique id, with the session after it.
		id, _, _ := bytes.Cut(s, []byte{':'})
		if typ := awsname.FromUniqueID(id); typ != "" {
			t.add(awsname.Resource{Type: typ, ID: id})
		}
		return
	}
	if r, ok := awsname.FromParameter(&t.call, param, s, t.depth > 1); ok {
		t.add(r)
	}
}

// add adds a resource, or what it tells more of one that is there.
func (t *targets) add(r awsname.Resource) {
	same, half := t.find(&r), t.half(&r)
	switch {
	case same >= 0 && half >= 0 && same != half:
		// The other half of what the same object names turns out to be known.
		t.merge(same, t.list[half])
		same = t.remove(half, same)
	case same < 0 && half >= 0:
		same = half
	case same < 0:
		if len(t.list) < MaxTargets {
			t.list = append(t.list, r)
			t.beside = append(t.beside, len(t.list)-1)
		}
		return
	}
	t.merge(same, r)
	t.beside = append(t.beside, same)
}

func (t *targets) merge(i int, r awsname.Resource) {
	l := &t.list[i]
	l.ID, l.Name = first(l.ID, r.ID), first(l.Name, r.Name)
	l.Account, l.Region = first(l.Account, r.Account), first(l.Region, r.Region)
}

// remove takes out the resource at i, which is the same as the one at to, and returns where that is then.
func (t *targets) remove(i, to int) int {
	t.list = append(t.list[:i], t.list[i+1:]...)
	if to > i {
		to--
	}
	for j, at := range t.beside {
		switch {
		case at == i:
			t.beside[j] = to
		case at > i:
			t.beside[j]--
		}
	}
	return to
}

// find returns the place of the same resource, -1 where there is none: by its id, or by its name where
// one of the two has no id.
func (t *targets) find(r *awsname.Resource) int {
	for i := range t.list {
		l := &t.list[i]
		if l.Type != r.Type {
			continue
		}
		if len(r.ID) > 0 && len(l.ID) > 0 {
			if bytes.Equal(r.ID, l.ID) {
				return i
			}
		} else if len(r.Name) > 0 && bytes.Equal(r.Name, l.Name) {
			return i
		}
	}
	return -1
}

// half returns the place of a resource that the same object names and that has only what r lacks.
func (t *targets) half(r *awsname.Resource) int {
	if len(r.ID) > 0 && len(r.Name) > 0 {
		return -1
	}
	for _, i := range t.beside[t.object:] {
		if l := &t.list[i]; l.Type == r.Type && (len(r.ID) > 0) == (len(l.ID) == 0) && (len(r.Name) > 0) == (len(l.Name) == 0) {
			return i
		}
	}
	return -1
}

// append appends the targets as elements. The account and region of a target are written where they
// are known and not the event's.
func (t *targets) append(dst, account, region []byte) []byte {
	for i := range t.list {
		r := &t.list[i]
		dst = append(comma(dst), '{')
		if r.Type != "" {
			dst = jsontext.AppendString(append(dst, `"resourceType":`...), r.Type)
		}
		dst = text(dst, `"resourceId":`, r.ID)
		if !bytes.Equal(r.Name, r.ID) {
			dst = text(dst, `"name":`, r.Name)
		}
		if !bytes.Equal(r.Account, account) {
			dst = text(dst, `"accountId":`, r.Account)
		}
		if !bytes.Equal(r.Region, region) {
			dst = text(dst, `"region":`, r.Region)
		}
		dst = append(dst, '}')
	}
	return dst
}
