package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/engine"
)

// checkAttachmentKept lists and fetches an attachment many times.
func checkAttachmentKept(ctx context.Context, d Door) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	c, err := v.client()
	if err != nil {
		return err
	}
	const contents = "what was attached"
	a, err := c.OpenWithFiles(ctx, engine.MissionUUID, newTitle("attachment"), client.File{Name: "note.txt", Data: []byte(contents)})
	if err != nil {
		return err
	}
	number, ok := a.Number()
	if !ok {
		return fmt.Errorf("a create with an attachment was answered with %s", a.Body)
	}
	stored, err := d.Truth.TicketFiles(engine.MissionUUID, number)
	if err != nil || len(stored) != 1 {
		return fmt.Errorf("ticket %d has attachments %v: %w", number, stored, err)
	}
	lists, err := v.together(d.crowd(), func(_ int, c *client.Client) (client.Answer, error) {
		return c.Post(ctx, "/flowmanage/api/omdata-file/list/", map[string]any{"flow_uuid": engine.MissionUUID, "data_no": number})
	})
	if err != nil {
		return err
	}
	if stored, err = d.Truth.TicketFiles(engine.MissionUUID, number); err != nil {
		return fmt.Errorf("reading attachments: %w", err)
	}
	if len(stored) != 1 || stored[0].Deleted {
		return broken("listing the attachment marked it deleted for good")
	}
	for _, l := range lists {
		var shown []struct {
			Delete bool `json:"delete"`
		}
		if json.Unmarshal(l.Result, &shown) != nil || len(shown) != 1 || shown[0].Delete {
			return broken("a list of the attachments is %s", l.Body)
		}
	}
	downloads, err := v.together(d.crowd(), func(_ int, c *client.Client) (client.Answer, error) {
		return c.Get(ctx, "/api/history-files/download/"+stored[0].Path)
	})
	if err != nil {
		return err
	}
	for _, down := range downloads {
		if string(down.Body) != contents {
			return broken("a download was answered with HTTP %d and %.60q", down.Code, down.Body)
		}
	}
	return nil
}

// bursts is how often creates with attachments are sent at once: whether they meet in
// one second, and within one server, is chance.
const bursts = 4

// checkAttachmentsApart opens tickets with attachments at once, each with a file of its
// own name and contents.
func checkAttachmentsApart(ctx context.Context, d Door) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	for burst := range bursts {
		name := func(i int) string { return fmt.Sprintf("%d-%d.txt", burst, i) }
		// Few, because where they are kept apart each takes a second.
		answers, err := v.together(d.Servers, func(i int, c *client.Client) (client.Answer, error) {
			return c.OpenWithFiles(ctx, engine.MissionUUID, newTitle("apart"), client.File{Name: name(i), Data: []byte(name(i))})
		})
		if err != nil {
			return err
		}
		if n := numbered(answers); n != len(answers) {
			i := slices.IndexFunc(answers, func(a client.Answer) bool { _, ok := a.Number(); return !ok })
			return broken("%d of %d creates got no number: %.200s", len(answers)-n, len(answers), answers[i].Body)
		}
		for i, a := range answers {
			number, _ := a.Number() // all have one
			files, err := d.Truth.TicketFiles(engine.MissionUUID, number)
			if err != nil {
				return fmt.Errorf("reading attachments: %w", err)
			}
			if len(files) != 1 || files[0].Name != name(i) {
				return broken("ticket %d has %d attachments instead of its own one", number, len(files))
			}
		}
	}
	return nil
}
