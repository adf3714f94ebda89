"""Images from upload to network: decoding, DICOM, views, recipes, quality, and npy encoding between services.

Import submodules one by one: `decoding`, `dicom` and `raster` need Pillow and pydicom, which model services lack.
"""
