#!/bin/sh
# Leave behind what no service opens: half of the size, and most of the code that could be attacked.
set -eu
cd "$1"
find . -depth -type d \( -name tests -o -name testing -path '*/testing/tests' \) -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.a' -o -name '*.h' \) -delete
# Face detectors of OpenCV; LiteRT's drivers of graphics processors, the runtime behind them (an interpreter has its
# own) and its compilers for telephones; formats of pictures and fonts that the API does not take.
rm -rf cv2/data/*.xml numpy/f2py \
    ai_edge_litert/libLiteRt*.so ai_edge_litert/tools ai_edge_litert/vendors \
    PIL/_avif.* PIL/_imagingft.* pillow.libs/libavif-* pillow.libs/libharfbuzz-* pillow.libs/libfreetype-*
# Only what the linker wrote: the libraries below *.libs were patched after it, and strip may misplace their pages.
find . -name '*.so' ! -path './*.libs/*' -size +500k -exec strip --strip-debug {} +
