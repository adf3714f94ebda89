"""The gallery: templates of enrolled patients, searched by modality and model digest."""
