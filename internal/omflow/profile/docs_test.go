package profile

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The page tells every field, and its examples are taken.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../../docs/profile.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Slice, reflect.Map:
			walk(typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, "`\""+name+"\"") {
					t.Errorf("the page does not tell of %s of %s", name, typ.Name())
				}
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[Profile]())

	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(examples) != 2 {
		t.Fatalf("the page has %d examples", len(examples))
	}
	for _, e := range examples {
		p, err := Parse([]byte(e[1]))
		if err != nil {
			t.Errorf("%v\n%s", err, e[1])
			continue
		}
		if reflect.DeepEqual(p, Default()) {
			t.Errorf("the example changes nothing:\n%s", e[1])
		}
	}
}
