package staff

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is the empty border that a QR code needs, in modules (ISO/IEC 18004).
const quiet = 4

// QR is a QR code as the data of an SVG path, dark on light, in a square of Size by Size: the page's policy takes no markup.
type QR struct {
	Size int    `json:"size"`
	Path string `json:"path"`
}

func qrCode(text string) (QR, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return QR{}, fmt.Errorf("drawing a QR code: %w", err)
	}
	size := code.Bounds().Dx()
	var b strings.Builder
	for y := range size {
		for x := range size {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	return QR{size + 2*quiet, b.String()}, nil
}
