package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/switchboard-operator/switchboard/internal/instance/media"
)

// uploadTimeout bounds one upload. It is less than what a job has.
const uploadTimeout = 30 * time.Second

// Field is one of a form.
type Field struct{ Name, Value string }

// Upload is Attempt for a form with a file, which is read while it is sent.
func Upload(client *http.Client, request *http.Request, fields []Field, name string, f File) (status int, header http.Header, answer []byte, err error) {
	if f.Size > media.MaxOutbound {
		return 0, nil, nil, &RefusedError{Code: media.TooLarge, Reason: fmt.Sprintf("the file is larger than %d bytes", media.MaxOutbound)}
	}
	ctx, cancel := context.WithTimeout(request.Context(), uploadTimeout)
	defer cancel()
	content, err := f.Open(ctx)
	if err != nil {
		return 0, nil, nil, &NotSentError{Cause: fmt.Errorf("reading the file to send: %w", err)}
	}
	defer content.Close()
	out, in := io.Pipe()
	form := multipart.NewWriter(in)
	// Of a client that gave up, the writer learns by the pipe.
	wrote := make(chan error, 1)
	go func() {
		err := write(form, fields, name, f, content)
		_ = in.CloseWithError(err)
		wrote <- err
	}()
	request = request.WithContext(ctx)
	request.Body, request.ContentLength, request.GetBody = out, -1, nil
	request.Header.Set("Content-Type", form.FormDataContentType())
	patient := *client
	patient.Timeout = 0 // ctx has one
	status, header, answer, err = Attempt(&patient, request)
	_ = out.Close()
	if writing := <-wrote; writing != nil && err != nil && !errors.Is(writing, io.ErrClosedPipe) {
		return 0, nil, nil, &NotSentError{Cause: fmt.Errorf("reading the file to send: %w", writing)} // half a form was sent: it is none
	}
	return status, header, answer, err
}

func write(form *multipart.Writer, fields []Field, name string, f File, content io.Reader) error {
	for _, field := range fields {
		if err := form.WriteField(field.Name, field.Value); err != nil {
			return err
		}
	}
	// A name can hold no quotes or line breaks (media.Name).
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, name, strings.NewReplacer(`"`, "", "\r", "", "\n", "", `\`, "").Replace(f.Name))},
		"Content-Type":        {f.MediaType},
	})
	if err != nil {
		return err
	}
	n, err := io.Copy(part, content)
	if err == nil && n != f.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	return form.Close()
}
