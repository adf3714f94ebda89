"""Images from upload to network: decoding, DICOM, views, recipes, quality, and npy for the way between services.

Import the submodules one by one: only `decoding` and `dicom` need Pillow and pydicom, which the model services lack.
"""
