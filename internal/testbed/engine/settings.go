package engine

import (
	"fmt"
	"net"
	"strconv"

	"github.com/omflow/booster/internal/testbed/database"
)

// settingsSource is the settings.py of a new home folder: as plain as OMFLOW's own,
// with the database that its operator has written into it. The addresses of
// boosters are left for the operator to add.
func settingsSource(cfg Config) (string, error) {
	var host, port string
	if cfg.Postgres != "" {
		var err error
		if host, port, err = net.SplitHostPort(cfg.Postgres); err != nil {
			return "", fmt.Errorf("parsing the address of PostgreSQL %q: %w", cfg.Postgres, err)
		}
	}
	return fmt.Sprintf(`"""
Settings of a stand-in for OMFLOW Server.
"""

import os

BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SECRET_KEY = %s

DEBUG = True

ALLOWED_HOSTS = ["*"]

DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.postgresql',
        'NAME': %s,
        'USER': %s,
        'PASSWORD': %s,
        'HOST': %s,
        'PORT': %s,
    }
}

LANGUAGE_CODE = 'zh-Hant'
TIME_ZONE = 'Asia/Taipei'
DATETIME_FORMAT = '%%Y-%%m-%%d %%H:%%M:%%S'
USE_I18N = True
USE_L10N = False

MEDIA_ROOT = os.path.join(BASE_DIR, 'uploads')
FILE_UPLOAD_TEMP_DIR = BASE_DIR

LOG_DIR = os.path.join(BASE_DIR, 'logs')
LOG_LEVEL = 'ERROR'

#omflow type(server/collector)
OMFLOW_TYPE = "server"
#local info
LOCAL_IP = ""
LOCAL_PORT = ""
`, python(cfg.SecretKey), python(database.PostgresName), python(database.PostgresRole),
		python(cfg.PostgresPassword), python(host), python(port)), nil
}

// python quotes a string for Python, whose escapes for what is not printable ASCII
// are Go's.
func python(s string) string { return strconv.QuoteToASCII(s) }
