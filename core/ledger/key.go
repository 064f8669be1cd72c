package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/regent-dev/regent/core/record"
)

// KeyID names a public key for people: the first 16 digits of its SHA-256.
func KeyID(public ed25519.PublicKey) string {
	sum := record.Sum(public)
	return hex.EncodeToString(sum[:8])
}

// ReadKey reads a signing key: Ed25519 in PKCS #8, as PEM. Others than its owner must not be able to read
// it.
func ReadKey(file string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("signing key %s may be read by others (mode %#o); set it to 0600", file, info.Mode().Perm())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("signing key %s is not a private key in PEM; `openssl genpkey -algorithm ed25519` makes one", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w; `openssl genpkey -algorithm ed25519` makes one", file, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is no Ed25519 key; `openssl genpkey -algorithm ed25519` makes one", file)
	}
	return key, nil
}

// EnsureKey reads the signing key, and makes one where there is none. The public half is written beside
// it with .pub at the end, for those who verify.
func EnsureKey(file string) (ed25519.PrivateKey, error) {
	key, err := ReadKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = makeKey(file); err != nil {
			return nil, fmt.Errorf("make signing key: %w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(file + ".pub"); errors.Is(err, fs.ErrNotExist) {
		if err := writePublic(file+".pub", key.Public().(ed25519.PublicKey)); err != nil {
			return nil, err
		}
	}
	return key, nil
}

func makeKey(file string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	// Written under another name first: half a key would keep the daemon from starting.
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	return key, err
}

func writePublic(file string, public ed25519.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err == nil {
		err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write public key: %w", err)
	}
	return nil
}

// ReadPublicKeys reads the public keys of a PEM file.
func ReadPublicKeys(file string) ([]ed25519.PublicKey, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	var out []ed25519.PublicKey
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("%s holds a %s; the public key lies beside the signing key with .pub at the end, and `openssl pkey -pubout` writes it", file, block.Type)
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", file, err)
		}
		key, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("public key %s is no Ed25519 key", file)
		}
		out = append(out, key)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no public key in PEM", file)
	}
	return out, nil
}
