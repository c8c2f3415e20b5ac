"""What scripts/check_upstream is made of: from the vendor's pages to the differences and their corrections.

    fetch      one page from the web, politely
    pages      the pages that an index lists, from the web or from a folder, and their JSON blocks
    documents  places in a document, and references
    grammar    whether a part has the shape that OpenAPI gives it
    fragments  the blocks of all pages, joined into one document
    shapes     what a schema means, however it is written
    compare    the differences between two documents
    schemas    the same for two schemas
    yaml_text  where a fact is in the text of the spec, and how the spec writes one
    propose    the text that would correct the spec
    report     all of it for people and for programs

Standard library, httpx and PyYAML only.
"""
