package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// maxItems bounds the elements of one list.
const maxItems = 4096

// form compares a JSON text with a type, before it is decoded: package encoding/json
// takes a field's name in any case, the last of two fields of one name and null for
// anything, and can't say in which line a name is that it does not know.
type form struct {
	text []byte
	dec  *json.Decoder
}

// checkForm reports the first place at which text is not the JSON of a Profile.
func checkForm(text []byte) error {
	f := form{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	f.dec.UseNumber()
	if err := f.value(reflect.TypeFor[Profile](), ""); err != nil {
		return err
	}
	if _, err := f.dec.Token(); !errors.Is(err, io.EOF) {
		return f.errorf("", "something follows the profile's end")
	}
	return nil
}

// errorf names the line that was read last, and the field.
func (f *form) errorf(field, format string, args ...any) error {
	line := 1 + bytes.Count(f.text[:min(f.dec.InputOffset(), int64(len(f.text)))], []byte("\n"))
	if field != "" {
		field += ": "
	}
	return fmt.Errorf("line %d: %s%w", line, field, fmt.Errorf(format, args...))
}

func (f *form) next(field string) (json.Token, error) {
	tok, err := f.dec.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return tok, nil
	case errors.As(err, &syntax):
		line := 1 + bytes.Count(f.text[:min(syntax.Offset, int64(len(f.text)))], []byte("\n"))
		return nil, fmt.Errorf("line %d: %w", line, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, f.errorf(field, "the file ends here, in the middle of the profile")
	default:
		return nil, f.errorf(field, "%w", err)
	}
}

func (f *form) value(t reflect.Type, field string) error {
	tok, err := f.next(field)
	if err != nil {
		return err
	}
	switch tok := tok.(type) {
	case json.Delim:
		switch {
		case tok == '{' && t.Kind() == reflect.Struct:
			return f.members(field, func(name string) (reflect.Type, error) { return fieldType(t, name) })
		case tok == '{' && t.Kind() == reflect.Map:
			return f.members(field, func(string) (reflect.Type, error) { return t.Elem(), nil })
		case tok == '[' && t.Kind() == reflect.Slice:
			return f.elements(t.Elem(), field)
		}
	case string:
		if t.Kind() == reflect.String {
			return nil
		}
	case bool:
		if t.Kind() == reflect.Bool {
			return nil
		}
	case json.Number:
		if t.Kind() == reflect.Int {
			if n, err := tok.Int64(); err == nil && n >= 0 && n < 1000 {
				return nil
			}
		}
	}
	return f.errorf(field, "write %s here", kindName(t.Kind()))
}

// members reads the members of an object whose brace was read.
func (f *form) members(field string, typeOf func(name string) (reflect.Type, error)) error {
	seen := make(map[string]bool)
	for f.dec.More() {
		tok, err := f.next(field)
		if err != nil {
			return err
		}
		name, _ := tok.(string) // the decoder takes nothing else here
		t, err := typeOf(name)
		if err != nil {
			return f.errorf(field, "%w", err)
		}
		member := name
		if field != "" {
			member = field + "." + name
		}
		if seen[name] {
			return f.errorf(member, "is given twice")
		}
		if len(seen) == maxItems {
			return f.errorf(field, "has more than %d members", maxItems)
		}
		seen[name] = true
		if err := f.value(t, member); err != nil {
			return err
		}
	}
	_, err := f.next(field)
	return err
}

// elements reads the elements of a list whose bracket was read.
func (f *form) elements(t reflect.Type, field string) error {
	for i := 0; f.dec.More(); i++ {
		if i == maxItems {
			return f.errorf(field, "has more than %d elements", maxItems)
		}
		if err := f.value(t, fmt.Sprintf("%s[%d]", field, i)); err != nil {
			return err
		}
	}
	_, err := f.next(field)
	return err
}

// fieldType returns the type of a struct's field by its name in JSON.
func fieldType(t reflect.Type, name string) (reflect.Type, error) {
	var known []string
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == name {
			return t.Field(i).Type, nil
		}
		known = append(known, tag)
	}
	slices.Sort(known)
	return nil, fmt.Errorf("there is no field %q: write one of %s", name, strings.Join(known, ", "))
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Struct, reflect.Map:
		return "an object, {…},"
	case reflect.Slice:
		return "a list, […],"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a number from 0 to 999"
	default:
		return "a text in quotes"
	}
}
