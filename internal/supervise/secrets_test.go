package supervise

import (
	"fmt"
	"strings"
	"testing"
)

func TestWithoutSecrets(t *testing.T) {
	for line, want := range map[string]string{
		`RuntimeError: boom`: `RuntimeError: boom`,
		`OperationalError: FATAL:  password authentication failed for user "omflow"`:     `OperationalError: FATAL:  password authentication failed for user "omflow"`,
		`could not connect to postgres://omflow:p@ss/w:rd@10.0.0.5:5432/omflow: refused`: `could not connect to postgres://omflow:…@10.0.0.5:5432/omflow: refused`,
		`see http://10.0.0.21:8000/rest/x`:                                               `see http://10.0.0.21:8000/rest/x`,
		`invalid dsn: user=omflow password=hunter2 host=db`:                              `invalid dsn: user=omflow password=… host=db`,
		`DRIVER={ODBC 17};SERVER=db;UID=sa;PWD={a;b};TrustServer=yes`:                    `DRIVER={ODBC 17};SERVER=db;UID=sa;PWD=…;TrustServer=yes`,
		`KeyError: {'USER': 'omflow', 'PASSWORD': 'it\'s "x"', 'P': 1}`:                  `KeyError: {'USER': 'omflow', 'PASSWORD': …, 'P': 1}`,
		`SECRET_KEY = "django-insecure ) ( x"`:                                           `SECRET_KEY = …`,
		`{"db_password":"a b","port":1}`:                                                 `{"db_password":…,"port":1}`,
		`bad value for EMAIL_HOST_PASSWORD: b'cut off in the midd`:                       `bad value for EMAIL_HOST_PASSWORD: …`,
		`connect(host=db, passwd=x)`:                                                     `connect(host=db, passwd=…)`,
		`invalid dsn: password=hun)t"er2 host=db`:                                        `invalid dsn: password=… host=db`,
		`{'PASSWORD': f"hun ter2", 'x': 1}`:                                              `{'PASSWORD': …, 'x': 1}`,
		`{"a":{"token":null},"b":1}`:                                                     `{"a":{"token":…},"b":1}`,
		`GET /x?token=abc&next=/`:                                                        `GET /x?token=…&next=/`,
	} {
		if got := WithoutSecrets(line); got != want {
			t.Errorf("%s\n\t became %s\n\tinstead of %s", line, got, want)
		}
	}
}

// A password is taken out before the line is cut to its length, or its end would not be found.
func TestLastLineHasNoSecrets(t *testing.T) {
	tl, j := quietTail(t)
	fmt.Fprintf(tl.out, "%s postgres://omflow:%s@db/omflow\n", strings.Repeat("x", lastMaxLine-40), strings.Repeat("hunter2", 20))
	tl.pump(true)
	if got := tl.lastLine(); len(got) > lastMaxLine || strings.Contains(got, "hunter") || !strings.Contains(got, "omflow:…@db") {
		t.Errorf("the last line is %q", got)
	}
	if !strings.Contains(j.String(), "hunter2") {
		t.Error("the log on this machine has lost it, too")
	}
}
