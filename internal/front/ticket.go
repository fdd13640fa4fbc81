package front

import (
	"bytes"

	"github.com/omflow/booster/internal/omflow"
)

// fieldsLook is the longest body that is read to find its ticket and flow, in bytes. Django
// refuses a longer one that brings no files (DATA_UPLOAD_MAX_MEMORY_SIZE, 2.5 MB).
const fieldsLook = 2_621_440

// said is what the body says of the request's ticket, as far as it was read. Whether it may
// pause and whose it is are two questions to the same body, which is read once for both.
type said struct {
	looked, clear bool
	fields        omflow.TicketFields
}

// ticketFields reads the body, the first time. It reports false when it is too long, or
// no JSON.
func (x *passage) ticketFields() (fields *omflow.TicketFields, clear bool) {
	s := &x.said
	if !s.looked {
		s.looked = true
		if body, ok := x.wholeBody(); ok {
			s.fields, s.clear = x.f.cfg.Table.TicketFields(body)
			if len(body) <= omflow.MaxBodyLook {
				return &s.fields, s.clear
			}
			// The request may wait for long, and all that wait may take so much memory as a
			// whole: what was read of a body in a file must not stay for the sake of a few bytes.
			for _, text := range []*[]byte{&s.fields.UUID, &s.fields.APIPath, &s.fields.App, &s.fields.Name} {
				*text = bytes.Clone(*text)
			}
		}
	}
	return &s.fields, s.clear
}

// wholeBody returns the body, if it is not too long to be read.
func (x *passage) wholeBody() ([]byte, bool) {
	if x.view.Body != nil && x.view.BodyComplete {
		return x.view.Body, true
	}
	if x.body.Size() > fieldsLook {
		return nil, false
	}
	body, err := x.body.Look(fieldsLook)
	return body, err == nil
}
