"""Virtual patients: images, reports and questions from analytic anatomy. PHANTOM - NOT A PATIENT.

- :mod:`.thorax_set`: chest radiographs and CT volumes in Hounsfield units from one anatomy, reports, priors
- :mod:`.tissue_set`: H&E tiles and slides with tumour nests, necrosis, infiltrates and mitoses, reports
- :mod:`.hardness`: knobs of both (noise, contrast, extent, confounders); the defaults change nothing
- :mod:`.sheet`: a command that draws a contact sheet of either
"""
