#!/bin/sh
# Delete files of installed packages that no service uses. It halves the size and removes code that could be attacked.
set -eu
cd "$1"
find . -depth -type d \( -name tests -o -name testing -path '*/testing/tests' \) -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.a' -o -name '*.h' \) -delete
# OpenCV's face detectors; LiteRT's drivers for graphics processors, their runtime (the interpreter has its own) and its
# compilers for phones; image formats and fonts that the API does not accept.
rm -rf cv2/data/*.xml numpy/f2py \
    ai_edge_litert/libLiteRt*.so ai_edge_litert/tools ai_edge_litert/vendors \
    PIL/_avif.* PIL/_imagingft.* pillow.libs/libavif-* pillow.libs/libharfbuzz-* pillow.libs/libfreetype-*
# Not the libraries below *.libs: they were patched after linking, and strip may misplace their pages.
find . -name '*.so' ! -path './*.libs/*' -size +500k -exec strip --strip-debug {} +
