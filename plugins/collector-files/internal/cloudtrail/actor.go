package cloudtrail

import (
	"bytes"

	"github.com/regent-dev/regent/plugins/collector-files/internal/jsontext"
)

// actor is who did it. All parts are unquoted text, empty where they are unknown.
type actor struct {
	kind, id, name, account, session []byte
}

// identity is what is read of userIdentity.
type identity struct {
	kind, principal, arn, account, user, invokedBy []byte
	issuerARN, issuerID, issuerName, issuerAccount []byte
	identityCenterUser                             []byte
}

func (u *identity) read(v []byte) {
	members := jsontext.MembersOf(v)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		switch string(name) {
		case "type":
			u.kind = jsontext.String(v)
		case "principalId":
			u.principal = jsontext.String(v)
		case "arn":
			u.arn = jsontext.String(v)
		case "accountId":
			u.account = jsontext.String(v)
		case "userName":
			u.user = jsontext.String(v)
		case "invokedBy":
			u.invokedBy = jsontext.String(v)
		case "sessionContext":
			u.issuer(jsontext.Member(v, "sessionIssuer"))
		case "onBehalfOf":
			u.identityCenterUser = jsontext.String(jsontext.Member(v, "userId"))
		}
	}
}

func (u *identity) issuer(v []byte) {
	members := jsontext.MembersOf(v)
	for name, v, ok := members.Next(); ok; name, v, ok = members.Next() {
		switch string(name) {
		case "arn":
			u.issuerARN = jsontext.String(v)
		case "principalId":
			u.issuerID = jsontext.String(v)
		case "userName":
			u.issuerName = jsontext.String(v)
		case "accountId":
			u.issuerAccount = jsontext.String(v)
		}
	}
}

// read tells the actor from userIdentity.
func (a *actor) read(v []byte) {
	if !jsontext.IsObject(v) {
		return
	}
	var u identity
	u.read(v)
	a.kind, a.account = u.kind, first(u.account, u.issuerAccount)
	switch string(u.kind) {
	case "AssumedRole", "FederatedUser":
		a.session = sessionOf(&u)
		a.id = first(u.issuerARN, withoutSession(u.arn), u.issuerID, u.principal)
		a.name = first(u.issuerName, roleOf(u.arn), u.user)
	case "AWSService":
		a.id = first(u.invokedBy, u.arn, u.principal)
		a.name = a.id
	case "Root":
		// Its userName is the alias of the account, where there is one.
		a.id, a.name = first(u.arn, u.principal, u.account), []byte("root")
	case "AWSAccount":
		// Of another account only the unique id is told, with the session of a role after it.
		id, session, _ := bytes.Cut(u.principal, []byte{':'})
		a.id, a.session, a.name = first(u.arn, id, u.account), session, u.user
	case "IdentityCenterUser":
		a.id, a.name = first(u.identityCenterUser, u.arn, u.principal), u.user
	default:
		a.id, a.name = first(u.arn, u.principal, u.identityCenterUser, u.user, u.invokedBy), first(u.user, userOf(u.arn))
	}
	if len(a.account) == 0 {
		a.account = accountOf(a.id)
	}
}

func (a *actor) append(dst []byte) []byte {
	dst = text(dst, `"type":`, a.kind)
	dst = text(dst, `"id":`, a.id)
	dst = text(dst, `"name":`, a.name)
	dst = text(dst, `"accountId":`, a.account)
	return text(dst, `"sessionId":`, a.session)
}

// first returns the first text that is not empty.
func first(texts ...[]byte) []byte {
	for _, t := range texts {
		if len(t) > 0 {
			return t
		}
	}
	return nil
}

// A session's ARN is arn:aws:sts::account:assumed-role/role/session, or
// arn:aws:sts::account:federated-user/session.

// sessionOf returns the name of the session. A unique id has it after the colon.
func sessionOf(u *identity) []byte {
	if i := bytes.LastIndexByte(u.arn, '/'); i >= 0 && bytes.Contains(u.arn, []byte(":sts:")) {
		return u.arn[i+1:]
	}
	_, session, _ := bytes.Cut(u.principal, []byte{':'})
	return session
}

// withoutSession cuts the session off an assumed role's ARN. Where the role has a path, it is not the
// role's ARN, because the path is not told.
func withoutSession(arn []byte) []byte {
	_, tail, ok := bytes.Cut(arn, []byte(":assumed-role/"))
	if !ok {
		return arn
	}
	if n := bytes.IndexByte(tail, '/'); n >= 0 {
		return arn[:len(arn)-len(tail)+n]
	}
	return arn
}

func roleOf(arn []byte) []byte {
	_, tail, _ := bytes.Cut(arn, []byte(":assumed-role/"))
	role, _, _ := bytes.Cut(tail, []byte{'/'})
	return role
}

// userOf returns the name of a user by its ARN.
func userOf(arn []byte) []byte {
	_, tail, ok := bytes.Cut(arn, []byte(":user/"))
	if !ok {
		return nil
	}
	return tail[bytes.LastIndexByte(tail, '/')+1:]
}

// accountOf returns the account of an ARN.
func accountOf(arn []byte) []byte {
	if !bytes.HasPrefix(arn, []byte("arn:")) {
		return nil
	}
	rest := arn
	for range 4 {
		_, tail, ok := bytes.Cut(rest, []byte{':'})
		if !ok {
			return nil
		}
		rest = tail
	}
	account, _, _ := bytes.Cut(rest, []byte{':'})
	return account
}
