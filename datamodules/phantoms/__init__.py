"""Virtual patients: images, reports and questions from analytic anatomy. PHANTOM - NOT A PATIENT."""
