"""Container images on the controller: builds the workers' image, and packs what a node lacks of images."""
